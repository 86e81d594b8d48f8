/*-------------------------------------------------------------------------
 *
 * ddl_hook.h
 *	  Statements of users that affect our processes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LAUNCHER_DDL_HOOK_H
#define JDG_LAUNCHER_DDL_HOOK_H

/* called by _PG_init of a preloaded library */
extern void jdg_hooks_init(void);

/* has this session run SET CONSTRAINTS since it was set to false? */
extern bool jdg_set_constraints_used;

#endif							/* JDG_LAUNCHER_DDL_HOOK_H */
