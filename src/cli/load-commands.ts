import type { Commands } from './create-program.ts';

/** Commands that are loaded when one of them runs, so that help, completion and a wrong command line cost little. */
export function loadCommands(load: () => Promise<Commands>): Commands {
  return {
    pull: async (...call) => (await load()).pull(...call),
    requestPull: async (...call) => (await load()).requestPull(...call),
    inspect: async (...call) => (await load()).inspect(...call),
    verify: async (...call) => (await load()).verify(...call),
    checkPolicy: async (...call) => (await load()).checkPolicy(...call),
    umount: async (...call) => (await load()).umount(...call),
    images: async (...call) => (await load()).images(...call),
    rm: async (...call) => (await load()).rm(...call),
    prune: async (...call) => (await load()).prune(...call),
    storeStatus: async (...call) => (await load()).storeStatus(...call),
    doctor: async (...call) => (await load()).doctor(...call),
  };
}
