/**
 * The full tier: all tests, those that draw random numbers for as long as an hour allows. Each of these parameters can be set in the
 * environment to something else.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const PARAMETERS: Readonly<Record<string, string>> = {
  ENDMARK_TEST_FULL: '1',
  ENDMARK_TEST_CHECK_ROUNDS: '3000',
  ENDMARK_STRESS_SECONDS: '600',
  ENDMARK_FUZZ_SECONDS: '1500',
  ENDMARK_DAMAGE_ROUNDS: '20000',
  ENDMARK_LARGE_MB: '1024',
  // Others than in the normal run, and printed by every test that uses it.
  ENDMARK_TEST_SEED: String(Math.floor(Math.random() * 2 ** 31)),
}

const ava = join(dirname(createRequire(import.meta.url).resolve('ava')), 'cli.mjs')
const parameters = ['--timeout=90m', ...process.argv.slice(2)]
const child = spawn(process.execPath, [ava, ...parameters], {
  stdio: 'inherit',
  env: { ...PARAMETERS, ...process.env },
})
child.once('close', (code) => {
  process.exitCode = code ?? 1
})
