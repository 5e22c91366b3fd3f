/**
 * Every byte that is ever locked, in one table. Sources: SQLite "File Locking And Concurrency", section 3,
 * and "WAL-mode File Format", section 2.3. The offsets in the main file lie in the lock-byte page, which is
 * never used for data; those in the -shm file lie in the header area of the wal-index.
 */

/** Main file: a writer of a rollback-journal database, or the last closer, keeps new readers out. */
export const PENDING_BYTE = 0x40000000
/** Main file: somebody intends to write (rollback-journal mode). */
export const RESERVED_BYTE = PENDING_BYTE + 1
/** Main file: shared while a Database is open, exclusive for the last close and for switching the journal mode. */
export const SHARED_FIRST = PENDING_BYTE + 2
export const SHARED_SIZE = 510

const SHM_LOCK_OFFSET = 120
/** -shm: the one appending writer. */
export const WRITE_LOCK_BYTE = SHM_LOCK_OFFSET
/** -shm: the one checkpointer. */
export const CKPT_LOCK_BYTE = WRITE_LOCK_BYTE + 1
/** -shm: rebuilding the wal-index. */
export const RECOVER_LOCK_BYTE = CKPT_LOCK_BYTE + 1
/** -shm: READ(0) to READ(4), a reader on that read mark. */
export const READ_LOCK_BYTE = RECOVER_LOCK_BYTE + 1
export const READ_SLOT_COUNT = 5
/** -shm: the dead-man switch, held shared while the wal-index is in use. */
export const DMS_LOCK_BYTE = READ_LOCK_BYTE + READ_SLOT_COUNT
