/**
 * The two sums of the log's checksum over a block at once, in WebAssembly with SIMD: a third of the time that the loop over
 * pairs of words takes, which waits for each addition before it can make the next one.
 *
 * Over n words w(0) … w(n-1) the loop (`s0 += w + s1; s1 += w' + s0`) comes to sums of products with Fibonacci numbers f, modulo 2^32:
 *
 *   s0' = f(n-1) s0 + f(n) s1   + Σ f(n-1-i) w(i)
 *   s1' = f(n) s0   + f(n+1) s1 + Σ f(n-i) w(i)
 *
 * No product waits for another one. Blocks are copied into the memory of the module: what is summed may lie anywhere.
 */

import { assert } from '../assert.js'

interface Memory {
  readonly buffer: ArrayBuffer
}

/** The little that is used of it; the types of Node leave it to those of browsers. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => Memory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: { readonly m: { readonly m: Memory } },
  ) => { readonly exports: { readonly f: SumProducts } }
}

/** Longest block; longer ones are summed piece by piece. */
const BLOCK_SIZE_MAX = 4096
/** Blocks of a multiple of this: what one instruction loads. */
export const BLOCK_SIZE_UNIT = 16

const WORD_COUNT_MAX = BLOCK_SIZE_MAX / 4
/** Places in the memory: four partial sums for s0, as many for s1; f(1024) down to f(0); the block. */
const PARTIAL_SUMS_SIZE = 32
const FACTORS_OFFSET = PARTIAL_SUMS_SIZE
const BLOCK_OFFSET = 8192

/** Of the module below: `at`, `end` of the block, `factors` of its first word for s1, those for s0 stand behind. */
type SumProducts = (at: number, end: number, factors: number) => void

/** The two sums so far, continued in place. */
export interface RunningSums {
  s0: number
  s1: number
}

export class BlockSums {
  readonly #sumProducts: SumProducts
  readonly #words: Int32Array
  readonly #block: Uint8Array
  /** f(0) to f(1025), modulo 2^32. */
  readonly #fibonacci = fibonacciNumbers(WORD_COUNT_MAX + 2)

  private constructor(memory: Memory, sumProducts: SumProducts) {
    this.#sumProducts = sumProducts
    this.#words = new Int32Array(memory.buffer)
    this.#block = new Uint8Array(memory.buffer, BLOCK_OFFSET, BLOCK_SIZE_MAX)
    for (let index = 0; index <= WORD_COUNT_MAX; index++) {
      this.#words[FACTORS_OFFSET / 4 + index] = this.#fibonacci[WORD_COUNT_MAX - index]!
    }
  }

  /**
   * Null where WebAssembly or its SIMD are not to be had, as under `--jitless`, or memory for it is not; on a big-endian machine too:
   * nobody has tried it there.
   */
  static create(): BlockSums | null {
    if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) return null
    try {
      const memory = new WebAssembly.Memory({ initial: 1 })
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MODULE), { m: { m: memory } })
      return new BlockSums(memory, exports.f)
    } catch {
      return null
    }
  }

  /** Continues the sums over `length` bytes, a multiple of BLOCK_SIZE_UNIT, as little-endian words. */
  add(bytes: Uint8Array, start: number, length: number, sums: RunningSums): void {
    assert(start + length <= bytes.length, () => `bytes ${start} to ${start + length} of ${bytes.length}`)
    for (let done = 0; done < length; done += BLOCK_SIZE_MAX) {
      this.#addBlock(bytes, start + done, Math.min(length - done, BLOCK_SIZE_MAX), sums)
    }
  }

  #addBlock(bytes: Uint8Array, start: number, length: number, sums: RunningSums): void {
    this.#block.set(bytes.subarray(start, start + length))
    const wordCount = length / 4
    this.#sumProducts(BLOCK_OFFSET, BLOCK_OFFSET + length, FACTORS_OFFSET + (WORD_COUNT_MAX - wordCount) * 4)
    const words = this.#words
    const fibonacci = this.#fibonacci
    const before = fibonacci[wordCount - 1]!
    const at = fibonacci[wordCount]!
    const behind = fibonacci[wordCount + 1]!
    const { s0, s1 } = sums
    sums.s0 = (Math.imul(before, s0) + Math.imul(at, s1) + words[0]! + words[1]! + words[2]! + words[3]!) >>> 0
    sums.s1 = (Math.imul(at, s0) + Math.imul(behind, s1) + words[4]! + words[5]! + words[6]! + words[7]!) >>> 0
  }
}

function fibonacciNumbers(count: number): Int32Array {
  const numbers = new Int32Array(count)
  numbers[1] = 1
  for (let index = 2; index < count; index++) numbers[index] = numbers[index - 1]! + numbers[index - 2]!
  return numbers
}

/** Vector instructions have this in front. */
const SIMD = 0xfd
const AT = 0
const END = 1
const FACTORS = 2
const SUM0 = 3
const SUM1 = 4
const WORDS = 5

/** A section, or a function: its bytes with their length in front. None of ours is longer than 127 bytes. */
function sized(...bytes: readonly number[]): number[] {
  return [bytes.length, ...bytes]
}

/** `sum += words * (the four factors at this offset)`, where the words are on the stack. */
function addProducts(sum: number, offset: number): number[] {
  const get = [0x20, FACTORS, SIMD, 0x00, 2, offset]
  return [...get, SIMD, 0xb5, 0x01, 0x20, sum, SIMD, 0xae, 0x01, 0x21, sum]
}

// 126 bytes. Source: "WebAssembly Core Specification", version 2, chapter 5.
const MODULE = new Uint8Array([
  // \0asm, version 1
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  // type 0: three i32, no result
  ...[1, ...sized(1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0)],
  // import m.m: a memory of at least one page
  ...[2, ...sized(1, 1, 0x6d, 1, 0x6d, 2, 0, 1)],
  // function 0 of type 0, exported as f
  ...[3, ...sized(1, 0)],
  ...[7, ...sized(1, 1, 0x66, 0, 0)],
  ...[
    10,
    ...sized(
      1,
      ...sized(
        // three more locals, v128
        ...[1, 3, 0x7b],
        // loop
        ...[0x03, 0x40],
        // words = load(at)
        ...[0x20, AT, SIMD, 0x00, 2, 0, 0x22, WORDS],
        ...addProducts(SUM0, 4),
        ...[0x20, WORDS],
        ...addProducts(SUM1, 0),
        // factors += 16
        ...[0x20, FACTORS, 0x41, 16, 0x6a, 0x21, FACTORS],
        // at += 16, and again while at < end
        ...[0x20, AT, 0x41, 16, 0x6a, 0x22, AT, 0x20, END, 0x49, 0x0d, 0],
        0x0b,
        // store the sums at 0 and 16
        ...[0x41, 0, 0x20, SUM0, SIMD, 0x0b, 2, 0],
        ...[0x41, 0, 0x20, SUM1, SIMD, 0x0b, 2, 16],
        0x0b,
      ),
    ),
  ],
])
