import { describe, expect, it } from 'vitest';
import { locateAgentFile, resolveAgentTimeouts } from '../../../../src/config/index.ts';

const fromKernel = (kernelCommandLine: string) => resolveAgentTimeouts({ kernelCommandLine, agentFile: undefined });
const fromFile = (text: string | undefined, kernelCommandLine = '') =>
  resolveAgentTimeouts({ kernelCommandLine, agentFile: { path: '/etc/agent.toml', text } });

describe("the kata agent's timeouts", () => {
  it('are its defaults when nothing sets them', () => {
    for (const timeouts of [fromKernel(''), fromKernel('quiet agent.log=debug'), fromFile('')]) {
      expect(Object.values(timeouts)).toMatchObject([
        { key: 'agent.launch_process_timeout', seconds: 6, origin: 'default', problem: undefined },
        { key: 'agent.cdh_api_timeout', seconds: 50, origin: 'default', problem: undefined },
        { key: 'agent.image_pull_timeout', seconds: 1_200, origin: 'default', problem: undefined },
      ]);
    }
  });

  it('come from the kernel command line, where the last word of a key wins', () => {
    const { launch, mount, pull } = fromKernel(
      'agent.image_pull_timeout=60 agent.launch_process_timeout=15 agent.image_pull_timeout=90\n',
    );
    expect(launch).toMatchObject({ seconds: 15, origin: 'kernel command line' });
    expect(mount).toMatchObject({ seconds: 50, origin: 'default' });
    expect(pull).toMatchObject({ seconds: 90, origin: 'kernel command line' });
  });

  it('ignore a zero, as the agent does', () => {
    expect(fromKernel('agent.image_pull_timeout=0').pull).toMatchObject({ seconds: 1_200, origin: 'default' });
  });

  it.each(['abc', '60s', '-1', '1.5', '99999999999999999999', '6 0'.replace(' ', '_')])('%j is a problem', (value) => {
    const { pull } = fromKernel(`agent.image_pull_timeout=${value}`);
    expect(pull).toMatchObject({ origin: 'kernel command line', problem: expect.stringContaining('whole seconds') });
  });

  it('come only from the agent’s own file if the kernel command line names one', () => {
    const kernel = 'agent.config_file=/etc/agent.toml agent.launch_process_timeout=15';
    expect(locateAgentFile(kernel)).toBe('/etc/agent.toml');
    expect(locateAgentFile('agent.config_file=')).toBeUndefined();
    const { launch, pull } = fromFile('image_pull_timeout = { secs = 600, nanos = 0 }\n', kernel);
    expect(pull).toMatchObject({ seconds: 600, origin: 'file /etc/agent.toml' });
    expect(launch).toMatchObject({ seconds: 6, origin: 'default' });
  });

  it.each([
    ['cannot be read', undefined, 'cannot be read'],
    ['is no TOML', '[image_pull', 'expected TOML'],
    ['has a number instead of a duration', 'image_pull_timeout = 600', 'secs'],
    ['has a text in it', 'image_pull_timeout = { secs = "x" }', 'secs'],
  ])('report a file that %s, without quoting it', (_, text, problem) => {
    const { pull } = fromFile(text);
    expect(pull).toMatchObject({ origin: 'file /etc/agent.toml', problem: expect.stringContaining(problem) });
    expect(pull.problem).not.toContain('600');
  });
});
