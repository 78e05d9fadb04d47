const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

export type OnSignal = (name: (typeof SIGNALS)[number], listener: () => void) => void;

/**
 * Holds the signals of the daemon from now on, once each, until a listener for them is added: one that comes while the
 * daemon is loaded must neither end the process, which would leave its sockets behind, nor be lost.
 */
export function holdSignals(onSignal: OnSignal): OnSignal {
  const listeners = new Map<string, () => void>();
  const held = new Set<string>();
  for (const name of SIGNALS) {
    onSignal(name, () => {
      const listener = listeners.get(name);
      if (listener === undefined) held.add(name);
      else listener();
    });
  }
  return (name, listener) => {
    listeners.set(name, listener);
    if (held.delete(name)) listener();
  };
}
