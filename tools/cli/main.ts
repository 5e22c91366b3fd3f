#!/usr/bin/env node
/**
 * The `endmark` command: looks the subcommand up and runs it. Exits with 1 on failure, 2 on wrong usage; `check` has exit codes
 * of its own.
 */
import { check } from './commands/check.js'
import { info } from './commands/info.js'
import { serve } from './commands/serve.js'
import { CannotOpen, isUsageError } from './usage.js'

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = { check, info, serve }

const USAGE = `usage: endmark info FILE     what is in a database, and where its log stands
       endmark check FILE    is the database sound? exit code 0: yes, 1: no, with what was found, 2: it cannot be opened
           --limit N    stop after so many findings (100)
       endmark serve FILE    commit for every process that uses the database, until SIGTERM or SIGINT
           --auto-checkpoint N    frames of the log between two checkpoints (1000)
           --idle-exit S          end after so many seconds without a client (0: never)
           --wal-limit BYTES      commits wait while so much of the log is in use (no limit)
           --snapshot-timeout MS  end snapshots that are older and block a log at its limit (none)
           --stats-every S        seconds between two lines of figures (10; a terminal has a line each second)
       each of them takes --allow-fuse, for a FUSE mount whose shared maps and locks are coherent
`

const [name = '', ...args] = process.argv.slice(2)
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command === undefined) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else {
  try {
    await command(args)
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    process.stderr.write(`endmark ${name}: ${message}${code ? ` (${code})` : ''}\n`)
    if (isUsageError(error)) process.stderr.write(USAGE)
    process.exitCode = isUsageError(error) || error instanceof CannotOpen ? 2 : 1
  }
}
