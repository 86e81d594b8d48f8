/*-------------------------------------------------------------------------
 *
 * room.h
 *	  Room in a bounded queue for new tasks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_ROOM_H
#define JDG_TASK_ROOM_H

#include "queue/queue.h"

/*
 * Reserves places for n more tasks, which jdg_depth_inserted() then uses;
 * always done for a queue without a bound.  What is not used goes back with
 * the end of the transaction.
 *
 * jdg_room_quick() returns false if the queue looks full, and needs no
 * section.  The others run inside jdg_internal_begin().  jdg_room_try() never
 * waits, and drops tasks where on_full says so.  jdg_room_make() does what
 * on_full says, and raises QUEUE_FULL otherwise.
 */
extern bool jdg_room_quick(const JdgQueue *queue, int64 n);
extern bool jdg_room_try(const JdgQueue *queue, int64 n);
extern void jdg_room_make(const JdgQueue *queue, int64 n);
extern void jdg_room_make_for_move(const JdgQueue *queue);

#endif							/* JDG_TASK_ROOM_H */
