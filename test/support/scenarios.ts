/**
 * What a connection can be doing when its process is killed or a call of the system fails, and what the database may hold
 * afterwards. Pages 2 to 4 hold 1, 2, 1 before; a commit makes that 9, 2, 1, 9.
 */
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { nodeVfs, type VfsFile } from '../../src/vfs/index.js'
import { type Connection, connect } from './connection.js'
import { HookedVfs } from './hooked-vfs.js'
import { smallMaps } from './small-maps.js'
import { sqliteNow } from './sqlite-now.js'
import { temporaryFolder } from './temporary-folder.js'

const BEFORE = [1, 2, 1]
const AFTER = [9, 2, 1, 9]

export interface Scenario {
  readonly title: string
  /** On the connection that has made the database, for its end. Null: it is gone, `run` opens its own. */
  readonly prepare: (connection: Connection, path: string) => Connection | null
  readonly run: (stage: Stage) => unknown
  /** Whether the run changes what the database holds. */
  readonly isCommit: boolean
}

/** One database, and the connection that something happens to. */
export class Stage {
  readonly path: string
  readonly vfs: HookedVfs
  readonly #files: VfsFile[] = []
  connection: Connection | null

  constructor(t: ExecutionContext<unknown>, { prepare }: Scenario) {
    this.path = join(temporaryFolder(t), 'app.db')
    this.vfs = new HookedVfs(smallMaps(nodeVfs(), this.#files))
    const connection = connect(this.path, { vfs: this.vfs })
    connection.fillSync([2, 3, 4], 1, 'off')
    connection.fillSync([3], 2, 'off')
    this.connection = prepare(connection, this.path)
  }

  /** Ends all its connections as the end of a process does: locks go, nothing is cleaned up. */
  kill(): void {
    this.vfs.hook = () => {}
    for (const file of this.#files) file.close()
  }

  open(): Connection {
    this.connection = connect(this.path, { vfs: this.vfs })
    return this.connection
  }
}

/** What the database may hold once the run has returned (`isDone`) or was cut short. */
export function mayHold({ isCommit }: Scenario, contents: readonly number[], { isDone }: { isDone: boolean }): boolean {
  const text = contents.join()
  if (!isCommit) return text === BEFORE.join()
  return text === AFTER.join() || (!isDone && text === BEFORE.join())
}

export const isBefore = (contents: readonly number[]): boolean => contents.join() === BEFORE.join()

const stay = (connection: Connection) => connection

export const SCENARIOS: readonly Scenario[] = [
  {
    title: 'a commit',
    prepare: stay,
    run: ({ connection }) => connection!.fillSync([2, 5], 9),
    isCommit: true,
  },
  {
    title: 'a commit that waits for its sync in the background',
    prepare: (connection) => {
      // Asked only on a machine so slow that the commit takes long: not a step of it.
      connection.wal.locks.isAlone = () => true
      return connection
    },
    run: ({ connection }) => connection!.fill([2, 5], 9),
    isCommit: true,
  },
  {
    title: 'a restart of the log and the commit after it',
    prepare: (connection) => {
      connection.checkpointSync()
      return connection
    },
    run: ({ connection }) => connection!.fillSync([2, 5], 9),
    isCommit: true,
  },
  ...(['passive', 'restart', 'truncate'] as const).map((mode) => ({
    title: `a ${mode} checkpoint`,
    prepare: stay,
    run: ({ connection }: Stage) => connection!.checkpointSync(mode),
    isCommit: false,
  })),
  {
    title: 'a checkpoint and the commit after it',
    prepare: stay,
    run: ({ connection }) => {
      connection!.checkpointSync()
      connection!.fillSync([2, 5], 9)
    },
    isCommit: true,
  },
  {
    title: 'a close',
    prepare: stay,
    run: (stage) => {
      const connection = stage.connection!
      stage.connection = null
      return connection.close()
    },
    isCommit: false,
  },
  {
    title: 'opening, with a log to recover',
    prepare: (connection) => {
      connection.vanish()
      return null
    },
    run: (stage) => stage.open(),
    isCommit: false,
  },
  {
    title: 'opening after a clean end',
    prepare: (connection) => {
      connection.close()
      return null
    },
    run: (stage) => stage.open(),
    isCommit: false,
  },
  {
    title: 'opening a database with a rollback journal',
    prepare: (connection, path) => {
      connection.close()
      sqliteNow(path, (db) => db.pragma('journal_mode = delete'))
      return null
    },
    run: (stage) => stage.open(),
    isCommit: false,
  },
]
