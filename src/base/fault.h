/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Fault points: named places at which a test can make a process fail.
 *
 * They exist in builds with -DJDG_FAULTS only (make stage-faults) and compile
 * to nothing otherwise.  Each belongs to a row of the crash table of
 * doc/architecture.md; test/t/crash/033_faults.pl tests all of them.
 *
 * Armed by jadugar.fault = 'name:action[:count]', in postgresql.conf or by a
 * superuser's SET.  The action is taken the first "count" times (default 1)
 * that a process reaches the point.  The file jadugar_fault.N in the data
 * directory shows that it was taken for the Nth time, also across restarts.
 * Remove these files before you arm a fault point.
 *
 *	kill9	  SIGKILL: the postmaster restarts all processes
 *	sigsegv	  SIGSEGV, as by a fault in C code
 *	panic	  PANIC: the server restarts likewise
 *	sigterm	  terminated, as by pg_terminate_backend()
 *	exit	  exits normally
 *	error	  ERROR
 *	wait	  waits until the file jadugar_fault.go exists
 *	jump	  the clock of this process is set a day forward
 *
 * A fault point may stand where no error is allowed, as in a commit callback:
 * there "error" and "exit" are a PANIC, and "sigterm" acts later.  No fault
 * point stands under a spinlock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_FAULT_H
#define JDG_BASE_FAULT_H

#ifdef JDG_FAULTS
/* defines jadugar.fault; called by jdg_define_settings() */
extern void jdg_fault_init(void);

/* takes the action if this point is armed */
extern void jdg_fault_point(const char *name);
#define JDG_FAULT(name) jdg_fault_point(name)
#else
#define jdg_fault_init() ((void) 0)
#define JDG_FAULT(name) ((void) 0)
#endif

#endif							/* JDG_BASE_FAULT_H */
