/*-------------------------------------------------------------------------
 *
 * queue_funcs.h
 *	  What the files of the queue functions share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_QUEUE_QUEUE_FUNCS_H
#define JDG_QUEUE_QUEUE_FUNCS_H

extern int32 jdg_queue_lock(const char *name, Oid user);
extern void jdg_queue_changed(void);

#endif							/* JDG_QUEUE_QUEUE_FUNCS_H */
