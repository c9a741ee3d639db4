import { Button } from "@cloudscape-design/components";
import type { ReactNode } from "react";
import "./diagram.css";

/** A box beside the function: what it is, which one, and where its settings are. */
export interface Node {
  key: string;
  kind: string;
  name: string;
  onOpen(): void;
}

interface Props {
  name: string;
  layers: number;
  onOpenLayers(): void;
  triggers: Node[];
  destinations: Node[];
  addTrigger: ReactNode;
  addDestination: ReactNode;
}

/** The function in the middle, what invokes it on the left, where its outcome goes on the right. */
export function Diagram({ name, layers, onOpenLayers, triggers, destinations, addTrigger, addDestination }: Props) {
  return (
    <div className="diagram-place">
      <div className="diagram" role="group" aria-label={`Diagram of ${name}`}>
        <Side label="Triggers" nodes={triggers} add={addTrigger} />
        <div className="diagram-function">
          <div className="diagram-box">
            <div className="diagram-title">
              <span className="diagram-icon" aria-hidden="true">
                λ
              </span>
              <strong>{name}</strong>
            </div>
            <div className="diagram-layers">
              <Button variant="inline-link" onClick={onOpenLayers}>
                Layers ({layers})
              </Button>
            </div>
          </div>
        </div>
        <Side label="Destinations" nodes={destinations} add={addDestination} />
      </div>
    </div>
  );
}

function Side({ label, nodes, add }: { label: string; nodes: Node[]; add: ReactNode }) {
  return (
    <ul className={`diagram-side diagram-${label.toLowerCase()}`} aria-label={label}>
      {nodes.map((node) => (
        <li key={node.key}>
          <div className="diagram-box">
            <div>{node.kind}</div>
            <Button variant="inline-link" onClick={node.onOpen} ariaLabel={`${node.kind} ${node.name}`}>
              {node.name}
            </Button>
          </div>
        </li>
      ))}
      <li>{add}</li>
    </ul>
  );
}
