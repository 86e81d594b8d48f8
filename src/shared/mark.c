/*-------------------------------------------------------------------------
 *
 * mark.c
 *	  A mark in an index of tasks, from which a process begins to read.
 *
 * A task that has run leaves a dead entry in the ready index, and one old
 * snapshot anywhere keeps vacuum, and the index scan's own pruning, from
 * removing it.  A claim that began at the front would read them all.
 * Therefore shared memory keeps a mark for each part of the index that is
 * read by itself (lane.h): a position before which no task is ready.  It may
 * always lie too far back, never too far on.
 *
 * A worker moves a mark forward, to the first entry that its snapshot sees,
 * locked or not.  All entries before it are then dead, or rolled back, or were
 * inserted by a transaction that had not committed.
 *
 * A transaction that has made a task ready moves the mark back, right after
 * its commit has become visible, in its commit callback.  A worker whose
 * snapshot was older may make its own move afterwards; therefore it looks at
 * the mark before it takes its snapshot, and positions published since then
 * limit its move.  The last few such positions are kept; if there were more,
 * the mark does not move.  Between the commit and the callback a claim may
 * miss the task; the wake-up comes after the callback.
 *
 * A prepared transaction is committed by a session that does not know its
 * tasks: then all marks are cleared (launcher/ddl_hook.c).  They are also
 * cleared when adopt() changes the rows' owners, and when a scheduler starts.
 *
 * Tasks whose run_at lies ahead have one mark of the same kind in their own
 * index; the scheduler moves it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/mark.h"

const JdgPosition jdg_position_first = {DT_NOBEGIN, 0};
const JdgPosition jdg_position_last = {DT_NOEND, PG_INT64_MAX};

int
jdg_position_compare(const JdgPosition *a, const JdgPosition *b)
{
	if (a->run_at != b->run_at)
		return a->run_at < b->run_at ? -1 : 1;
	if (a->task_id != b->task_id)
		return a->task_id < b->task_id ? -1 : 1;
	return 0;
}

void
jdg_mark_clear(JdgMark *mark)
{
	jdg_mark_publish(mark, jdg_position_first);
}

JdgMarkLook
jdg_mark_look(const JdgMark *mark)
{
	JdgMarkLook look = {mark->published, mark->position};

	return look;
}

bool
jdg_mark_move(JdgMark *mark, const JdgMarkLook *look, JdgPosition to)
{
	if (mark->published - look->published <= JDG_MARK_RING)
	{
		for (uint32 i = look->published; i != mark->published; i++)
		{
			if (jdg_position_compare(&mark->ring[i % JDG_MARK_RING], &to) < 0)
				to = mark->ring[i % JDG_MARK_RING];
		}
		if (jdg_position_compare(&mark->position, &to) < 0)
			mark->position = to;
	}
	return jdg_position_compare(&mark->position, &jdg_position_last) == 0;
}

void
jdg_mark_publish(JdgMark *mark, JdgPosition position)
{
	mark->ring[mark->published++ % JDG_MARK_RING] = position;
	if (jdg_position_compare(&position, &mark->position) < 0)
		mark->position = position;
}
