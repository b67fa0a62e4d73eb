/** What the service `rows.export` sends for each row. */
export interface Row {
  id: number;
  text: string;
}

export interface ExportRequest {
  name: string;
  /** How many rows there are. */
  rows: number;
}
