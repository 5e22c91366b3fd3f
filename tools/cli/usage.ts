/** Wrong use of the command line: the command answers with how it is used, and exits with 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/** Also what `parseArgs` throws: an option that does not exist, or one without its value. */
export function isUsageError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  return error instanceof UsageError || (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS_'))
}

/** The file of a command that exits with 1 for what it finds in the file: this is another kind of failure, with exit code 2. */
export class CannotOpen extends Error {
  readonly code: unknown

  constructor(cause: unknown) {
    const { message, code } = cause as { message: string; code?: unknown }
    super(message, { cause })
    this.name = 'CannotOpen'
    this.code = code
  }
}

/** The one FILE that a command takes. */
export function requireFile(positionals: readonly string[]): string {
  const [path] = positionals
  if (positionals.length !== 1 || path === undefined || path === '') throw new UsageError('it takes one FILE')
  return path
}

/** @param name the option, without its dashes @param min the least it may be */
export function requireNumber(name: string, text: string, { min, isWhole }: { min: number; isWhole: boolean }): number {
  const value = Number(text)
  const fits = text.trim() !== '' && Number.isFinite(value) && value >= min && (!isWhole || Number.isInteger(value))
  if (!fits) throw new UsageError(`--${name} is a ${isWhole ? 'whole ' : ''}number of at least ${min}, not "${text}"`)
  return value
}
