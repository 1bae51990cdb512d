/* What lineage answers. */
export type NodeType = 'run' | 'dataset' | 'model';
export interface LineageNode {
  id: string;
  type: NodeType;
  name: string;
  status?: string; // of a run
  state?: string; // of the others
  component?: string; // of a run: "ingest"
  kind?: string;
  version?: string;
  startedAt?: string | null;
  createdAt?: string | null;
  rows?: number;
  aliases?: string; // "prod, best"
}
export interface LineageEdge {
  from: string;
  to: string;
  run_id: string;
  context: string;
}
export interface Lineage {
  nodes: LineageNode[];
  edges: LineageEdge[];
  truncated: boolean;
}

declare module '../../api/types' {
  interface Replies {
    'GET /v1/lineage/{id}': Lineage;
  }
}
