/** The part of Node's own SQLite that the benchmark uses: the types of Node 20, which it is compiled against, do not have it. */
declare module 'node:sqlite' {
  interface StatementSync {
    run(...values: readonly (string | number | Uint8Array)[]): unknown
    get(...values: readonly (string | number)[]): unknown
    iterate(...values: readonly (string | number)[]): Iterable<unknown>
  }

  export class DatabaseSync {
    constructor(path: string, options?: { readonly timeout?: number })
    exec(sql: string): void
    prepare(sql: string): StatementSync
    close(): void
  }
}
