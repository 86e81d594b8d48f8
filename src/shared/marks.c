/*-------------------------------------------------------------------------
 *
 * marks.c
 *	  Marks in the ready index, from which a claim begins to read.
 *
 * A task that has run leaves a dead entry in the ready index, and one old
 * snapshot anywhere keeps vacuum, and the index scan's own pruning, from
 * removing it.  A claim that began at the front would read them all.
 * Therefore shared memory keeps a mark for each (owner, queue, priority): a
 * position before which no task is ready.  It may always lie too far back,
 * never too far on.
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
 * The table has sets of a few entries; an entry with no ready task makes room.
 * A combination that finds no room has no mark: JdgMarks.lost then changes,
 * and processes that read the index do without marks for a while.
 *
 * JdgMarks.mutex, a spinlock, protects all of this, for some hundred
 * instructions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "shared/marks.h"

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
jdg_marks_init(JdgMarks *marks)
{
	memset(marks, 0, sizeof(JdgMarks));
	SpinLockInit(&marks->mutex);
}

/* The set in which a mark of this combination stands. */
static JdgMark *
set_of(JdgMarks *marks, Oid owner, int32 queue_id, int32 priority)
{
	uint32		hash = hash_combine(murmurhash32(owner),
									hash_combine(murmurhash32(queue_id),
												 murmurhash32(priority)));

	return marks->mark[hash % JDG_MARK_SETS];
}

/*
 * The mark of a combination in its set, or NULL.  The caller holds the mutex.
 */
static JdgMark *
find(JdgMark *set, Oid owner, int32 queue_id, int32 priority)
{
	for (int i = 0; i < JDG_MARK_WAYS; i++)
	{
		if (set[i].owner == owner && set[i].queue_id == queue_id &&
			set[i].priority == priority)
			return &set[i];
	}
	return NULL;
}

/*
 * The mark of a combination, made with the first position if there is none.  A
 * mark with no ready task makes room.  Returns NULL if there is no room.  The
 * caller holds the mutex.
 */
static JdgMark *
find_or_make(JdgMarks *marks, Oid owner, int32 queue_id, int32 priority)
{
	JdgMark    *set = set_of(marks, owner, queue_id, priority);
	JdgMark    *m = find(set, owner, queue_id, priority);

	if (m != NULL)
		return m;
	for (int i = 0; i < JDG_MARK_WAYS; i++)
	{
		m = &set[i];
		if (OidIsValid(m->owner) &&
			jdg_position_compare(&m->position, &jdg_position_last) != 0)
			continue;
		memset(m, 0, sizeof(*m));
		m->owner = owner;
		m->queue_id = queue_id;
		m->priority = priority;
		m->incarnation = ++marks->made;
		m->position = jdg_position_first;
		return m;
	}
	return NULL;
}

int
jdg_marks_look(JdgMarks *marks, Oid owner, JdgMarkLook *looks, uint32 *lost)
{
	int			n = 0;

	SpinLockAcquire(&marks->mutex);
	for (int set = 0; set < JDG_MARK_SETS; set++)
	{
		/* a set is filled from its front */
		for (int way = 0; way < JDG_MARK_WAYS; way++)
		{
			JdgMark    *m = &marks->mark[set][way];

			if (!OidIsValid(m->owner))
				break;
			if (OidIsValid(owner) && m->owner != owner)
				continue;
			looks[n].owner = m->owner;
			looks[n].queue_id = m->queue_id;
			looks[n].priority = m->priority;
			looks[n].incarnation = m->incarnation;
			looks[n].published = m->published;
			looks[n++].from = m->position;
		}
	}
	*lost = marks->lost;
	SpinLockRelease(&marks->mutex);
	return n;
}

bool
jdg_mark_make(JdgMarks *marks, Oid owner, int32 queue_id, int32 priority)
{
	bool		ok;

	SpinLockAcquire(&marks->mutex);
	ok = find_or_make(marks, owner, queue_id, priority) != NULL;
	SpinLockRelease(&marks->mutex);
	return ok;
}

void
jdg_mark_move(JdgMarks *marks, const JdgMarkLook *look, JdgPosition to)
{
	JdgMark    *m;

	SpinLockAcquire(&marks->mutex);
	m = find(set_of(marks, look->owner, look->queue_id, look->priority),
			 look->owner, look->queue_id, look->priority);
	if (m != NULL && m->incarnation == look->incarnation &&
		m->published - look->published <= JDG_MARK_RING)
	{
		for (uint32 i = look->published; i != m->published; i++)
		{
			if (jdg_position_compare(&m->ring[i % JDG_MARK_RING], &to) < 0)
				to = m->ring[i % JDG_MARK_RING];
		}
		if (jdg_position_compare(&m->position, &to) < 0)
			m->position = to;
	}
	SpinLockRelease(&marks->mutex);
}

void
jdg_mark_publish(JdgMarks *marks, Oid owner, int32 queue_id, int32 priority,
				 JdgPosition position)
{
	JdgMark    *m;

	SpinLockAcquire(&marks->mutex);
	m = find_or_make(marks, owner, queue_id, priority);
	if (m != NULL)
	{
		m->ring[m->published++ % JDG_MARK_RING] = position;
		if (jdg_position_compare(&position, &m->position) < 0)
			m->position = position;
	}
	else
		marks->lost++;
	SpinLockRelease(&marks->mutex);
}

void
jdg_marks_forget(JdgMarks *marks)
{
	SpinLockAcquire(&marks->mutex);
	memset(marks->mark, 0, sizeof(marks->mark));
	marks->lost++;
	SpinLockRelease(&marks->mutex);
}
