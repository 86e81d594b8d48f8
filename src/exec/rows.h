/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  A DestReceiver that keeps the rows of a result, to be read as jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_ROWS_H
#define JDG_EXEC_ROWS_H

#include "tcop/dest.h"
#include "utils/jsonb.h"

/*
 * Creates the receiver in the current context.  If several statements return
 * rows, it keeps those of the last of them; or only its first one.
 */
extern DestReceiver *jdg_rows_receiver(bool first_only);

/*
 * Calls take() with each row that was kept, as to_jsonb() converts it.  An
 * error of that is raised.
 */
extern void jdg_rows_take(DestReceiver *dest,
						  void (*take) (Jsonb *row, void *arg), void *arg);

#endif							/* JDG_EXEC_ROWS_H */
