/*-------------------------------------------------------------------------
 *
 * gatefile.c
 *	  Keeps rates over a restart of the server, see gatefile.h.
 *
 * A server that is shut down writes the gates whose rate is used up in part to
 * a file, and reads and removes it when it starts.  The control file tells
 * whether it was shut down.  After a crash all rates are taken for used up: that
 * slows tasks down, and never lets too many begin.  The file has the instant of
 * the crash, too, for the gates that were not made again since then.  A standby
 * that is promoted goes on after a server that has run tasks, as after a crash.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "base/clock.h"
#include "base/settings.h"
#include "shared/gatefile.h"
#include "shared/gatetable.h"

#define FILE_NAME PGSTAT_STAT_PERMANENT_DIRECTORY "/jadugar.gates"

/* changes with the layout */
#define FILE_VERSION 4

typedef struct Head
{
	int64		version;
	int64		empty_at;
} Head;

typedef struct Row
{
	Oid			dboid;
	JdgLimit	limit;
	int64		due;
} Row;

/* Writes the gates that say something; false: the file is of no use. */
static bool
write_gates(FILE *file)
{
	int64		now = jdg_now() * 1000;
	Head		head = {FILE_VERSION, jdg_gates->empty_at};

	if (fwrite(&head, sizeof(head), 1, file) != 1)
		return false;
	for (int i = 0; i < jdg_max_gates; i++)
	{
		JdgGate    *g = &jdg_gates->gate[i];
		Row			row;

		if (!OidIsValid(g->dboid) || jdg_gate_is_full(g, now))
			continue;
		memset(&row, 0, sizeof(row));
		row.dboid = g->dboid;
		row.limit = g->limit;
		row.due = g->due;
		if (fwrite(&row, sizeof(row), 1, file) != 1)
			return false;
	}
	return true;
}

/* on_shmem_exit callback of the postmaster, which is the last process. */
static void
write_file(int code, Datum arg)
{
	FILE	   *file;
	bool		ok;

	/* after a crash, shared memory may hold anything */
	if (code != 0)
		return;
	file = AllocateFile(FILE_NAME ".tmp", PG_BINARY_W);
	ok = file != NULL && write_gates(file);
	if (file != NULL)
		ok &= FreeFile(file) == 0;
	if (ok)
		(void) durable_rename(FILE_NAME ".tmp", FILE_NAME, LOG);
	else
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", FILE_NAME)));
		(void) unlink(FILE_NAME ".tmp");
	}
}

/* Reads the file into the table; false: it is damaged. */
static bool
read_gates(FILE *file)
{
	Head		head;
	Row			row;
	size_t		got;

	if (fread(&head, sizeof(head), 1, file) != 1 ||
		head.version != FILE_VERSION)
		return false;
	jdg_gates->empty_at = head.empty_at;
	while ((got = fread(&row, 1, sizeof(row), file)) == sizeof(row))
	{
		if (!OidIsValid(row.dboid) ||
			row.limit.scope < 0 || row.limit.scope >= JDG_SCOPES)
			return false;
		if (!jdg_gate_restore(row.dboid, &row.limit, row.due))
			return false;
	}
	return got == 0 && !ferror(file);
}

static bool
was_shut_down(void)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);

	return crc_ok && (control->state == DB_SHUTDOWNED ||
					  control->state == DB_SHUTDOWNED_IN_RECOVERY);
}

/* Does the server start as a standby, or to recover an archive? */
static bool
is_standby(void)
{
	return access(STANDBY_SIGNAL_FILE, F_OK) == 0 ||
		access(RECOVERY_SIGNAL_FILE, F_OK) == 0;
}

static Size
gatefile_size(void)
{
	return sizeof(bool);
}

static void
gatefile_init(void *at, bool found)
{
	bool		standby = is_standby();
	FILE	   *file;
	bool		ok;

	if (found)
		return;
	*(bool *) at = true;
	on_shmem_exit(write_file, (Datum) 0);
	ok = !standby && was_shut_down();
	file = AllocateFile(FILE_NAME, PG_BINARY_R);
	if (file != NULL)
	{
		ok = ok && read_gates(file);
		(void) FreeFile(file);
		(void) unlink(FILE_NAME);
	}
	if (!ok)
		jdg_gates->empty_at = standby ? -1 : jdg_now() * 1000;
}

const JdgShmemPart jdg_gatefile_shmem = {
	"jadugar gate file", gatefile_size, gatefile_init
};
