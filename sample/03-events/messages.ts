/** The data of every `order.*` event. */
export interface Order {
  id: number;
  total: number;
}

/** The data of `prices.changed`. */
export interface PriceChange {
  percent: number;
}
