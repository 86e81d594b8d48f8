/*-------------------------------------------------------------------------
 *
 * suspect.c
 *	  Notes of running tasks that survive a crash, see suspect.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/fd.h"
#include "storage/shmem.h"

#include "base/settings.h"
#include "shared/suspect.h"

#define SUSPECT_FILE "pg_stat_tmp/jadugar.running"

/* the guilty notes of this server's last crash */
typedef struct Suspects
{
	bool		collected;		/* by the first launcher */
	pg_atomic_uint32 nguilty;	/* notes in "guilty" */
	JdgSuspect	guilty[FLEXIBLE_ARRAY_MEMBER];	/* jdg_slots_count() */
} Suspects;

static Suspects *suspects = NULL;
static JdgSuspect nowhere;
static JdgSuspect *mine = &nowhere;

static size_t
file_size(void)
{
	return (size_t) jdg_slots_count() * sizeof(JdgSuspect);
}

static Size
suspects_size(void)
{
	return add_size(offsetof(Suspects, guilty), file_size());
}

static void
suspects_init(void *at, bool found)
{
	suspects = at;
	if (found)
		return;
	memset(suspects, 0, suspects_size());
	pg_atomic_init_u32(&suspects->nguilty, 0);
}

const JdgShmemPart jdg_suspects_shmem = {
	"jadugar suspects", suspects_size, suspects_init
};

/*
 * An existing file keeps its contents: they are evidence of the last crash.
 */
void
jdg_suspect_create(void)
{
	int			fd = BasicOpenFile(SUSPECT_FILE, O_RDWR | O_CREAT | PG_BINARY);
	int			rc;

	if (fd < 0)
	{
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", SUSPECT_FILE),
				 errdetail("Tasks that crash the server will not be recognized.")));
		return;
	}
	/* allocate all blocks, since a hole that cannot be filled causes SIGBUS */
	rc = posix_fallocate(fd, 0, file_size());
	close(fd);
	if (rc != 0)
	{
		errno = rc;
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not allocate file \"%s\": %m", SUSPECT_FILE)));
		unlink(SUSPECT_FILE);
	}
}

/*
 * Maps the file for the life of the process.  Returns NULL if there is none,
 * or if it is too short for all slots.
 */
static JdgSuspect *
map_file(void)
{
	int			fd = BasicOpenFile(SUSPECT_FILE, O_RDWR | PG_BINARY);
	off_t		size;
	void	   *p;

	if (fd < 0)
		return NULL;
	size = lseek(fd, 0, SEEK_END);
	p = size < (off_t) file_size() ? MAP_FAILED :
		mmap(NULL, file_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

void
jdg_suspect_attach(int slotno)
{
	JdgSuspect *all = map_file();

	if (all != NULL)
		mine = &all[slotno];
}

void
jdg_suspect_begin(int64 task_id, int32 attempt, const JdgCall *call,
				  TimestampTz started_at)
{
	mine->server_start = PgStartTime;
	mine->started_at = started_at;
	mine->dboid = MyDatabaseId;
	mine->attempt = attempt;
	mine->task_id = task_id;
	mine->call = *call;
	mine->pid = MyProcPid;
	pg_compiler_barrier();
	mine->state = 'R';
}

void
jdg_suspect_requests(void)
{
	JdgCall		none = {0};

	jdg_suspect_begin(0, 0, &none, PgStartTime);
}

void
jdg_suspect_end(void)
{
	mine->state = '-';
}

void
jdg_suspect_collect(void)
{
	JdgSuspect *all;

	/* after a restart of the launcher, the notes are those of live workers */
	if (suspects->collected)
		return;
	suspects->collected = true;
	all = map_file();
	if (all == NULL)
		return;
	for (int i = 0; i < jdg_slots_count(); i++)
	{
		if (all[i].state == 'R' && all[i].server_start == PgStartTime)
		{
			suspects->guilty[i] = all[i];
			pg_atomic_fetch_add_u32(&suspects->nguilty, 1);
		}
		all[i].state = '-';
	}
	munmap(all, file_size());
}

int
jdg_suspect_next(int after, JdgSuspect *out)
{
	for (int i = after + 1; i < jdg_slots_count(); i++)
	{
		if (suspects->guilty[i].state == 'R' &&
			suspects->guilty[i].dboid == MyDatabaseId)
		{
			*out = suspects->guilty[i];
			return i;
		}
	}
	return -1;
}

void
jdg_suspect_clear(int index)
{
	suspects->guilty[index].state = '-';
	pg_atomic_fetch_sub_u32(&suspects->nguilty, 1);
}

/* Notes are made before a scheduler, and so any worker, starts. */
bool
jdg_suspect_holds(Oid dboid, int64 task_id)
{
	if (pg_atomic_read_u32(&suspects->nguilty) == 0)
		return false;
	for (int i = 0; i < jdg_slots_count(); i++)
	{
		const JdgSuspect *s = &suspects->guilty[i];

		if (s->state == 'R' && s->dboid == dboid && s->task_id == task_id)
			return true;
	}
	return false;
}
