/** What `payments.charge` is asked for. */
export interface Payment {
  order: string;
  cents: number;
  /** What happens to the first node that gets it. */
  accident?: 'dies' | 'hangs';
}

/** What it answers. */
export interface Receipt {
  order: string;
  cents: number;
  /** The attempt that has charged, which need not be the one that answers. */
  chargedInAttempt: number;
}
