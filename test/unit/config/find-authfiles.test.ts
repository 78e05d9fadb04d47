import { describe, expect, it } from 'vitest';
import { authfileCandidates } from '../../../src/config/find-authfiles.ts';

describe('authfileCandidates', () => {
  it.each([
    [
      'nothing but HOME',
      { HOME: '/h' },
      ['/run/containers/7/auth.json', '/h/.config/containers/auth.json', '/h/.docker/config.json'],
    ],
    [
      'all of the directories',
      { HOME: '/h', XDG_RUNTIME_DIR: '/run/user/7', XDG_CONFIG_HOME: '/x', DOCKER_CONFIG: '/d' },
      ['/run/user/7/containers/auth.json', '/x/containers/auth.json', '/d/config.json'],
    ],
    ['nothing', {}, ['/run/containers/7/auth.json']],
    ['relative directories', { HOME: 'h', XDG_RUNTIME_DIR: 'r', XDG_CONFIG_HOME: 'x', DOCKER_CONFIG: 'd' }, []],
    ['empty variables', { HOME: '', XDG_RUNTIME_DIR: '', DOCKER_CONFIG: '' }, ['/run/containers/7/auth.json']],
  ])('with %s', (_, environment, expected) => {
    expect(authfileCandidates(environment, 7)).toEqual(expected);
  });
});
