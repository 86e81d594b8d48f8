/*-------------------------------------------------------------------------
 *
 * subxact.h
 *	  Running a piece of work in a subtransaction of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_SUBXACT_H
#define JDG_BASE_SUBXACT_H

#include "utils/palloc.h"

/*
 * Call work(arg) in a subtransaction.  NULL: it is released.  Otherwise it is
 * rolled back, and the error is returned, a copy in "mcxt".  Memory context
 * and resource owner are the caller's again.  Whether an error may be
 * swallowed, such as a cancel, is for the caller to decide.
 */
extern ErrorData *jdg_in_subxact(void (*work) (void *arg), void *arg,
								 MemoryContext mcxt);

#endif							/* JDG_BASE_SUBXACT_H */
