/*-------------------------------------------------------------------------
 *
 * result.h
 *	  A DestReceiver that keeps the first row as jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_RESULT_H
#define JDG_EXEC_RESULT_H

#include "tcop/dest.h"
#include "utils/jsonb.h"

/*
 * The receiver lives in the current context; so does the row it keeps.  Of
 * several statements the last that returns rows counts.
 */
extern DestReceiver *jdg_first_row_receiver(void);

/* the kept row, or NULL */
extern Jsonb *jdg_first_row(DestReceiver *dest);

#endif							/* JDG_EXEC_RESULT_H */
