/*-------------------------------------------------------------------------
 *
 * outcome.h
 *	  The end of a request, as the end of an attempt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_OUTCOME_H
#define JDG_REQUEST_OUTCOME_H

#include "request/transfer.h"
#include "task/decide.h"

/*
 * Sets the outcome of a transfer that has ended, in the current memory context.
 * False: nothing was sent, and the task is to be given back.  "task": its row;
 * "st": its task in the slot.  In a transaction.
 */
extern bool jdg_transfer_outcome(const JdgTransfer *t, const JdgTask *task,
								 const JdgSlotTask *st, JdgOutcome *o);

#endif							/* JDG_REQUEST_OUTCOME_H */
