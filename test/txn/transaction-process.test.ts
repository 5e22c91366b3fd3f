/** The transaction suite for Databases that commit through a writer process. */
import { PROCESS_MODE } from '../support/commit-modes.js'
import { transactionSuite } from './transaction-suite.js'

transactionSuite(PROCESS_MODE)
