// What a processor needs of the things around it. The machine connects them.

/** Port space as the processor sees it. Sizes are 1, 2 or 4 bytes; values are unsigned. */
export interface CpuPorts {
  in(port: number, size: number): number;
  out(port: number, size: number, value: number): void;
}
