/** How a tool reads its command line, and how it prints and exits. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCommand } from '../../src/tools/command.ts';
import { createKey, DEFAULT_SCOPES } from '../../src/tools/new-key.ts';
import { MAX_DAILY_DELETIONS } from '../../src/worker/callers/caller.ts';
import { SCOPES } from '../../src/worker/scope.ts';
import { temporary } from './world.ts';

const COMMAND = join(import.meta.dirname, '../../src/tools/command.ts');
const HELP = readFileSync(join(import.meta.dirname, '../../src/docs/tools.md'), 'utf8');
const OPTIONS = { flags: ['key'], texts: ['names', 'daily-deletions'], lists: ['token'] } as const;
const parse = (args: string[], env = {}) => parseCommand('callers', OPTIONS, args, env);
const failureOf = (args: string[], env = {}) => {
  const parsed = parse(args, env);
  return parsed.ok ? null : parsed.failure;
};
const refusal = (sentence: string) => ({
  status: 1,
  stdout: '',
  stderr: `${sentence} See: npm run callers -- --help\n`,
});

describe('a command line', () => {
  it('has words, flags, texts, and lists of the words that follow an option', () => {
    const args = ['a', '--key', 'b', '--token', 'gha', 'x=1', 'y=2', '--names=-c', 'd', '--token', 'k8s', '--', '-e'];
    const parsed = parse(args);
    if (!parsed.ok) throw new Error(parsed.failure.stderr);
    const { words, has, text, lists } = parsed.value;
    expect(words).toEqual(['a', 'b', 'd']);
    expect([has('key'), has('names'), has('daily-deletions')]).toEqual([true, true, false]);
    expect([text('names'), text('daily-deletions')]).toEqual(['-c', undefined]);
    expect(lists('token')).toEqual([
      ['gha', 'x=1', 'y=2'],
      ['k8s', '-e'],
    ]);
  });

  it('may start with the "--" that pnpm and yarn pass on', () => {
    expect(parse(['--', 'a', '--key'])).toMatchObject({ ok: true, value: { words: ['a'] } });
  });

  it.each([
    [['--scope', 'a'], 'Unknown option --scope.'],
    [['-k'], 'Unknown option -k.'],
    [['--no-key'], 'Unknown option --no-key.'],
    [['--names'], 'Option --names argument missing.'],
    [['--names', '--key'], 'Option --names argument is ambiguous.'],
    [['--key=x'], 'Option --key does not take an argument.'],
    [['--names', 'a', '--names', 'b'], '--names is given twice.'],
  ])('is refused with the name of the bad option: %j', (args, sentence) => {
    expect(failureOf(args)).toEqual(refusal(sentence));
  });

  it('is refused without repeating a key, wherever it is', () => {
    const { key } = createKey();
    for (const args of [[`--${key}`], [`-${key}`], [`--key=${key}`], ['--names', `-${key}`], [`--${key}=a`]]) {
      const failure = failureOf(args);
      expect([args, failure?.status]).toEqual([args, 1]);
      expect(JSON.stringify(failure)).not.toContain(key.slice(4, 12));
    }
  });

  it('is refused if npm has taken one of its options, which leaves a variable', () => {
    const advice = (option: string) => `npm has taken --${option} for itself: write "npm run callers -- …".`;
    expect(failureOf(['a'], { npm_config_key: 'true' })).toEqual(refusal(advice('key')));
    expect(failureOf(['a', '5'], { npm_config_daily_deletions: 'true' })).toEqual(refusal(advice('daily-deletions')));
    expect(failureOf(['a', 'x=1'], { npm_config_token_description: 'gha' })).toEqual(refusal(advice('token')));
    expect(failureOf(['a', '--key'], { npm_config_key: 'true', npm_config_cache: '/' })).toBeNull();
  });

  it.each([
    ['npm_config_name', 'names'],
    ['npm_config_n', 'names'],
    ['npm_config_daily_deletion', 'daily-deletions'],
    ['npm_config_daily', 'daily-deletions'],
    ['npm_config_tok', 'token'],
  ])('is refused if npm has taken a shortened option: %s', (variable, option) => {
    expect(failureOf(['a'], { [variable]: 'x' })).toEqual(
      refusal(`npm has taken --${option} for itself: write "npm run callers -- …".`),
    );
  });

  it('is not refused for settings in .npmrc', () => {
    const at = temporary('npmrc');
    at.put('.npmrc', 'registry=https://npm.test/=\n daily-deletion = 3\nname=x');
    const variables = { npm_config_name: 'x', npm_config_daily_deletion: '3' };
    for (const place of [
      { npm_config_userconfig: at.path('.npmrc') },
      { npm_config_globalconfig: at.path('.npmrc') },
      { npm_config_local_prefix: at.folder },
    ]) {
      expect(failureOf(['a'], { ...variables, ...place })).toBeNull();
      expect(failureOf(['a'], { ...variables, ...place, npm_config_ke: 'true' })?.status).toBe(1);
    }
    at.remove();
  });

  it('gets the help from the page if it has --help, whatever else it has', () => {
    for (const args of [['--help'], ['-h'], ['a', '--help', '--names', 'b']]) {
      expect(failureOf(args)).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/^Usage: npm run callers -- /),
      });
    }
  });
});

describe('the page of the tools', () => {
  it.each(['callers', 'check-config', 'export', 'key'])('has the help for %s, with all of its options', (script) => {
    const { stdout, status } = spawnSync('npm', ['run', '-s', script, '--', '--help'], { encoding: 'utf8' });
    expect([status, stdout.endsWith('\n'), stdout.includes('```')]).toEqual([0, true, false]);
    expect(stdout).toMatch(new RegExp(`^Usage: .*npm run ${script} -- `));
    const source = readFileSync(join(import.meta.dirname, '../../src/tools', FILE_OF[script] ?? ''), 'utf8');
    for (const [, names = ''] of source.matchAll(/(?:flags|texts|lists): \[(.*?)\]/g)) {
      for (const [, name] of names.matchAll(/'([\w-]+)'/g)) expect(stdout).toContain(`--${name}`);
    }
  });

  it('has the same values as the code', () => {
    expect(HELP).toContain(`What it may do: ${SCOPES.join(', ')}.`);
    expect(HELP).toContain(`Default: ${DEFAULT_SCOPES.join(',')}\n`);
    expect(HELP).toContain(`Distinct images within any 24 hours, 0 to ${MAX_DAILY_DELETIONS}\n`);
  });
});

const FILE_OF: Readonly<Record<string, string>> = {
  callers: 'callers.ts',
  'check-config': 'check-config.ts',
  export: 'export.ts',
  key: 'new-key.ts',
};

describe('a tool as a program', () => {
  const outcome = JSON.stringify({ status: 1, stdout: 'out \u202e\n', stderr: 'err \u001b\n' });
  const program = (body: string) => `import { runAsProgram } from ${JSON.stringify(COMMAND)};
    await runAsProgram(async (args, world) => { ${body} });`;
  const run = (body: string, redirect = '') =>
    spawnSync('sh', ['-c', `"$NODE" --input-type=module --eval "$PROGRAM" ${redirect}`], {
      encoding: 'utf8',
      env: { ...process.env, NODE: process.execPath, PROGRAM: program(body) },
    });

  it('prints without control characters, and ends with the status of the tool', () => {
    const { status, stdout, stderr } = run(`await world.print('first\\u200b\\n'); return ${outcome};`);
    expect([status, stdout, stderr]).toEqual([1, 'first\\u200b\nout \\u202e\n', 'err \\u001b\n']);
  });

  it('reports a full disk in one sentence, while it runs or at the end', () => {
    const atEnd = run(`return { status: 0, stdout: 'a', stderr: 'b' };`, '> /dev/full');
    expect([atEnd.status, atEnd.stderr]).toEqual([1, 'Standard output cannot be written (ENOSPC).\n']);
    const atOnce = run(`return { status: 0, stdout: '', stderr: String(await world.print('a')) };`, '> /dev/full');
    expect([atOnce.status, atOnce.stderr]).toEqual([0, 'ENOSPC']);
  });

  it('ends silently if its reader is gone', () => {
    const { stderr } = run(
      `for (;;) if (await world.print('a'.repeat(100_000)) !== null) break; return { status: 0, stdout: 'b', stderr: '' };`,
      '| head -c 1 > /dev/null',
    );
    expect(stderr).toBe('');
  });
});
