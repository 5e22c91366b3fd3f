/** Wrong use of the command line: the command answers with how it is used, and exits with 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
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
