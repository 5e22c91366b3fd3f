/**
 * Bounds that more than one file relies on, with the reason for each and how they relate. Bounds of a single file stand
 * in that file.
 */
import { assert } from './assert.js'

/** Frames in the log after which the committing process copies them into the main file (SQLite's default). */
export const AUTO_CHECKPOINT_FRAMES = 1000

/**
 * A log this many times longer than `autoCheckpoint` was overtaken by its writers again and again: the checkpoint then
 * keeps them out while it copies the rest, so that the log can be started over.
 */
export const LOG_OVERTAKEN_FACTOR = 4

/** Milliseconds to wait for a lock before ENDMARK_BUSY. */
export const TIMEOUT_MS = 5000

/** What is cached of pages, decoded, per Database. */
export const CACHE_LIMIT_BYTES = 64 << 20

/** What a batch may change in memory before pages leave it for the log. */
export const DIRTY_LIMIT_BYTES = 64 << 20

export const PAGE_SIZE_BYTES = 4096

/** Frames of a log that a watch looks through: a GiB of pages of 4 KiB, for which a frame map takes a few MiB. */
export const WATCH_FRAMES_MAX = 1 << 18

/** Pages of one commit that a watch takes apart, and as many again to compare them with: tens of milliseconds at the most. */
export const WATCH_PAGES_MAX = 256

/** Keys of one store in one change. */
export const WATCH_KEYS_MAX = 4096

/** Threads of one pool. Each has an engine of its own, 10 MB and more; beyond this a number is a mistake. */
export const POOL_THREADS_MAX = 256

assert(LOG_OVERTAKEN_FACTOR > 1, 'a log is overtaken only after the first checkpoint was due')
assert(WATCH_PAGES_MAX < WATCH_FRAMES_MAX, 'a commit that is taken apart is part of a log that is looked through')
