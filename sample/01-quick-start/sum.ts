/** What the service `sum` answers, and who has worked it out. */
export interface Sum {
  total: number;
  /** Id of the node that ran the handler. */
  node: string;
  /** From 2 on: the call has moved, because a node died under it. */
  attempt: number;
}
