#!/usr/bin/env node
/** The `endmark` command: looks the subcommand up and runs it. Exits with 1 on failure, 2 on wrong usage. */
import { info } from './commands/info.js'

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = { info }

const USAGE = `usage: endmark info FILE    what is in a database, and where its log stands
`

const [name = '', ...args] = process.argv.slice(2)
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command === undefined || args.length !== 1) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else {
  try {
    await command(args)
  } catch (error) {
    const code = (error as { code?: unknown }).code
    process.stderr.write(
      `endmark ${name}: ${error instanceof Error ? error.message : error}${code ? ` (${code})` : ''}\n`,
    )
    process.exitCode = 1
  }
}
