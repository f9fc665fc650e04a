import type * as grafana from '@grafana/schema';

/** What one of Grafana's types is in JSON, where a member of an enum is a plain string. */
type Json<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

// Where Grafana's types allow anything, these say what it takes from the panels of this dashboard.

interface Query extends grafana.DataQuery {
  datasource: grafana.DataSourceRef;
  expr: string;
  legendFormat: string;
}

interface Graph extends Omit<grafana.Panel, 'fieldConfig' | 'options' | 'targets'> {
  type: 'timeseries';
  targets: Query[];
  fieldConfig: {
    defaults: Omit<grafana.FieldConfig, 'custom'> & { custom: grafana.GraphFieldConfig };
    overrides: [];
  };
  options: { legend: grafana.VizLegendOptions; tooltip: grafana.VizTooltipOptions };
}

export type Checked = Json<Omit<grafana.Dashboard, 'panels'> & { panels: (Graph | grafana.RowPanel)[] }>;
