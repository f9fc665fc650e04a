"""Where every rendered file of a deployment is: in one directory, which ``bin/buildout`` makes."""

from __future__ import annotations

from pathlib import Path

from zopestack.features.databases import MAIN, Databases


class Rendered:
    """The files of a :class:`zopestack.model.Stack` that follow from it."""

    parts: Path
    databases: Databases

    @property
    def configuration(self) -> Path:
        """Directory of the rendered files."""
        return self.parts / "stack-files"

    @property
    def haproxy_conf(self) -> Path:
        """The rendered HAProxy configuration."""
        return self.configuration / "haproxy.cfg"

    @property
    def haproxy(self) -> Path:
        """What executes HAProxy: a reload executes it again, so another program takes over without
        a dropped connection.
        """
        return self.configuration / "haproxy"

    @property
    def varnish_vcl(self) -> Path:
        """What Varnish keeps, for whom, and how long."""
        return self.configuration / "varnish.vcl"

    @property
    def supervisord_conf(self) -> Path:
        """The rendered supervisord configuration."""
        return self.configuration / "supervisord.conf"

    @property
    def system_unit(self) -> Path:
        """The unit for systemd, to start the stack at boot."""
        return self.configuration / "zopestack.service"

    @property
    def user_unit(self) -> Path:
        """The same for ``systemctl --user``, without root."""
        return self.configuration / "zopestack-user.service"

    @property
    def keepalived_conf(self) -> Path:
        """What has keepalived move the virtual address of several balancers."""
        return self.configuration / "keepalived.conf"

    @property
    def balancer_alive(self) -> Path:
        """What keepalived asks for the health of HAProxy."""
        return self.configuration / "balancer-alive"

    @property
    def prometheus_targets(self) -> Path:
        """What Prometheus scrapes, for its ``file_sd_configs``."""
        return self.configuration / "prometheus-targets.yml"

    @property
    def prometheus_rules(self) -> Path:
        """When Prometheus is to tell somebody, for its ``rule_files``."""
        return self.configuration / "prometheus-rules.yml"

    @property
    def status_page(self) -> Path:
        """The page at ``metrics-address`` that shows the stack to a person."""
        return self.configuration / "status.html"

    @property
    def grafana_datasource(self) -> Path:
        """Where Grafana finds Prometheus, for its ``provisioning/datasources``."""
        return self.configuration / "grafana-datasource.yml"

    @property
    def grafana_dashboards(self) -> Path:
        """Where Grafana finds the dashboard, for its ``provisioning/dashboards``."""
        return self.configuration / "grafana-dashboards.yml"

    @property
    def grafana_dashboard(self) -> Path:
        """The dashboard, in a directory of its own, all of whose files Grafana reads."""
        return self.configuration / "grafana" / "grafana-dashboard.json"

    @property
    def monitoring_files(self) -> tuple[Path, ...]:
        """Every rendered file that Prometheus, Grafana or a browser is given."""
        return (
            self.prometheus_targets,
            self.prometheus_rules,
            self.grafana_datasource,
            self.grafana_dashboards,
            self.grafana_dashboard,
            self.status_page,
        )

    @property
    def database_conf(self) -> Path:
        """How a relational database is reached, readable by its owner only."""
        return self.configuration / "database.conf"

    def database_conf_of(self, name: str) -> Path:
        """The same of any database, by its name."""
        return self.database_conf.with_stem("database" if name == MAIN else f"database-{name}")

    @property
    def slots_lua(self) -> Path:
        """What keeps the slots in HAProxy in step with the instances' threads."""
        return self.configuration / "slots.lua"

    @property
    def outcome_lua(self) -> Path:
        """What answers a POST whose instance has died."""
        return self.configuration / "outcome.lua"

    @property
    def sites_map(self) -> Path:
        """Which object in Zope a host and path show."""
        return self.configuration / "sites.map"

    @property
    def redirects_map(self) -> Path:
        """Which host another one redirects to."""
        return self.configuration / "redirects.map"

    @property
    def preferred_map(self) -> Path:
        """Which instance a user or a path prefers, by its hash."""
        return self.configuration / "preferred.map"

    @property
    def acme_lua(self) -> Path:
        """What answers a certificate authority's challenges from a directory."""
        return self.configuration / "acme.lua"

    @property
    def stack_file(self) -> Path:
        """This value itself, for the operator commands."""
        return self.configuration / "stack.json"

    @property
    def pages_map(self) -> Path:
        """What people see when HAProxy itself answers."""
        return self.configuration / "pages.map"

    @property
    def balancer_files(self) -> tuple[Path, ...]:
        """Every rendered file that HAProxy is given."""
        return (
            self.haproxy_conf,
            self.slots_lua,
            self.outcome_lua,
            self.acme_lua,
            self.sites_map,
            self.redirects_map,
            self.preferred_map,
            self.pages_map,
        )

    @property
    def private(self) -> tuple[Path, ...]:
        """Rendered files that may hold a password: for their owner only."""
        others = (self.database_conf_of(each.name) for each in self.databases.databases)
        return self.supervisord_conf, self.stack_file, self.database_conf, *others

    @property
    def fork_client(self) -> Path:
        """What asks, and stands for the fork in supervisord."""
        return self.configuration / "fork-client"
