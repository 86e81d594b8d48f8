/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Fault points, see fault.h.  Empty except in builds with -DJDG_FAULTS.
 *
 * Runs in every process.  Allocates no memory at a fault point, which may be
 * in a commit callback.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef JDG_FAULTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/fault.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"

#define FAULT_FILE	"jadugar_fault"
#define MAX_NAME	64

typedef enum FaultAction
{
	FAULT_KILL,
	FAULT_SEGV,
	FAULT_PANIC,
	FAULT_TERM,
	FAULT_EXIT,
	FAULT_ERROR,
	FAULT_WAIT,
	FAULT_JUMP
} FaultAction;

static const char *const action_names[] = {
	"kill9", "sigsegv", "panic", "sigterm", "exit", "error", "wait",
	"jump"
};

typedef struct Fault
{
	char		name[MAX_NAME]; /* empty: no fault point is armed */
	FaultAction action;
	int			count;
} Fault;

static char *fault_string;
static Fault armed;

/* Reads a value of jadugar.fault.  Returns false if it is invalid. */
static bool
parse(const char *s, Fault *f)
{
	char		action[MAX_NAME] = "";
	int			n;

	memset(f, 0, sizeof(*f));
	f->count = 1;
	if (*s == '\0')
		return true;
	n = sscanf(s, "%63[a-z-]:%63[a-z0-9]:%d", f->name, action, &f->count);
	for (int i = 0; n >= 2 && i < lengthof(action_names); i++)
	{
		f->action = (FaultAction) i;
		if (strcmp(action, action_names[i]) == 0)
			return f->count > 0;
	}
	return false;
}

static bool
check_fault(char **newval, void **extra, GucSource source)
{
	Fault		f;

	if (parse(*newval, &f))
		return true;
	GUC_check_errdetail("It is name:action or name:action:count.");
	return false;
}

static void
assign_fault(const char *newval, void *extra)
{
	(void) parse(newval, &armed);
}

void
jdg_fault_init(void)
{
	DefineCustomStringVariable("jadugar.fault",
							   "Fault point and the action to take there.",
							   "For tests only.",
							   &fault_string, "", PGC_SUSET,
							   GUC_NOT_IN_SAMPLE, check_fault, assign_fault,
							   NULL);
}

/*
 * Should this process take the action?  The file that it creates makes the
 * answer known to the test, and to all other processes.
 */
static bool
take_turn(void)
{
	for (int i = 1; i <= armed.count; i++)
	{
		char		path[MAXPGPATH];
		int			fd;

		snprintf(path, sizeof(path), FAULT_FILE ".%d", i);
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd >= 0)
		{
			close(fd);
			return true;
		}
	}
	return false;
}

/* Waits for the file jadugar_fault.go.  Can be cancelled. */
static void
wait_for_go(void)
{
	while (access(FAULT_FILE ".go", F_OK) != 0)
	{
		/* do not reset the latch: the interrupted code may wait for it */
		(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10L,
						 jdg_wait_task());
		CHECK_FOR_INTERRUPTS();
	}
}

/* Sets the clock of this process a day forward. */
static void
jump(void)
{
	char		offset[16];
	const char *now = GetConfigOption("jadugar.clock_offset", false, false);

	snprintf(offset, sizeof(offset), "%d", atoi(now) + 86400);
	SetConfigOption("jadugar.clock_offset", offset, PGC_SIGHUP, PGC_S_OVERRIDE);
}

void
jdg_fault_point(const char *name)
{
	if (strcmp(name, armed.name) != 0 || !take_turn())
		return;
	switch (armed.action)
	{
		case FAULT_KILL:
			kill(MyProcPid, SIGKILL);
			break;
		case FAULT_SEGV:
			signal(SIGSEGV, SIG_DFL);
			kill(MyProcPid, SIGSEGV);
			break;
		case FAULT_PANIC:
			elog(PANIC, "fault point \"%s\"", name);
			break;
		case FAULT_TERM:
			kill(MyProcPid, SIGTERM);
			CHECK_FOR_INTERRUPTS();
			break;
		case FAULT_EXIT:
			proc_exit(1);
			break;
		case FAULT_ERROR:
			elog(ERROR, "fault point \"%s\"", name);
			break;
		case FAULT_WAIT:
			wait_for_go();
			break;
		case FAULT_JUMP:
			jump();
			break;
	}
}

#endif							/* JDG_FAULTS */
