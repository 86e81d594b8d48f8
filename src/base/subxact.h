/*-------------------------------------------------------------------------
 *
 * subxact.h
 *	  Runs work in a subtransaction, and takes errors out of a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_SUBXACT_H
#define JDG_BASE_SUBXACT_H

#include "utils/palloc.h"

/*
 * Calls work(arg) in a subtransaction.  Returns NULL if the subtransaction was
 * released.  After an error it is rolled back, and the result is a copy of the
 * error in "mcxt".  The memory context and the resource owner of the caller
 * are restored.  The caller decides whether an error, such as a cancel, may be
 * swallowed.
 */
extern ErrorData *jdg_in_subxact(void (*work) (void *arg), void *arg,
								 MemoryContext mcxt);

/*
 * In PG_CATCH, in a process of ours: abort the transaction, and return the
 * error, a copy in "mcxt", which becomes the current memory context.
 */
extern ErrorData *jdg_abort_xact(MemoryContext mcxt);

#endif							/* JDG_BASE_SUBXACT_H */
