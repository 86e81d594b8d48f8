/*-------------------------------------------------------------------------
 *
 * ddl_hook.h
 *	  Statements of others that concern our processes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LAUNCHER_DDL_HOOK_H
#define JDG_LAUNCHER_DDL_HOOK_H

/* from _PG_init */
extern void jdg_hooks_init(void);

/* has this session run SET CONSTRAINTS since it was set to false? */
extern bool jdg_set_constraints_used;

#endif							/* JDG_LAUNCHER_DDL_HOOK_H */
