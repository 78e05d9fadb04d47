import { describe, expect, it } from 'vitest';
import type { ApiListener } from '../../../src/api/index.ts';
import type { OnSignal } from '../../../src/daemon/hold-signals.ts';
import { type StartPorts, startDaemon } from '../../../src/daemon/start-daemon.ts';

const READ = { path: '/c.toml', text: '' };

type Name = Parameters<OnSignal>[0];

/** The surroundings of a start, which keep the order of what happens. */
class Start {
  readonly events: string[] = [];
  file: unknown;
  readonly #handlers = new Map<Name, () => void>();

  send(name: Name): void {
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw new Error(`${name} would have ended the process`);
    handler();
  }

  run(ports: Partial<StartPorts> = {}): Promise<number> {
    const names = (listeners: readonly ApiListener[]) => listeners.map(({ path }) => path).join();
    return startDaemon({
      onSignal: (name, listener) => this.#handlers.set(name, listener),
      guessSockets: () => ({ file: READ, paths: ['/a', '/b'] }),
      openListeners: async (paths) => {
        this.send('SIGHUP');
        this.events.push(`open ${paths.join()}`);
        return paths.map((path) => ({ path, take: () => {}, close: () => {} }));
      },
      closeListeners: (listeners) => this.events.push(`close ${names(listeners)}`),
      run: async ({ listeners, file }) => {
        this.events.push(`run ${names(listeners)}`);
        this.file = file;
        return 3;
      },
      ...ports,
    });
  }
}

describe('startDaemon', () => {
  it('opens the sockets before anything else is loaded, and leaves none', async () => {
    const start = new Start();
    expect(await start.run()).toBe(3);
    expect(start.events).toEqual(['open /a,/b', 'run /a,/b', 'close /a,/b']);
    expect(start.file).toBe(READ);
  });

  it('opens none before the configuration is loaded where the sockets are not certain', async () => {
    const start = new Start();
    expect(await start.run({ guessSockets: () => ({ file: '/c.toml', paths: undefined }) })).toBe(3);
    expect(start.events).toEqual(['open ', 'run ', 'close ']);
  });

  it('closes them when the daemon cannot run', async () => {
    const start = new Start();
    await expect(start.run({ run: () => Promise.reject(new Error('no state')) })).rejects.toThrow('no state');
    expect(start.events).toEqual(['open /a,/b', 'close /a,/b']);
  });

  it('holds the signals that come meanwhile, once each, and passes later ones on', async () => {
    const start = new Start();
    const heard: string[] = [];
    await start.run({
      run: async ({ onSignal }) => {
        start.send('SIGTERM');
        start.send('SIGTERM');
        for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) onSignal(name, () => heard.push(name));
        expect(heard).toEqual(['SIGTERM', 'SIGHUP']);
        start.send('SIGINT');
        start.send('SIGTERM');
        return 0;
      },
    });
    expect(heard).toEqual(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGTERM']);
  });
});
