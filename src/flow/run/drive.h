/*-------------------------------------------------------------------------
 *
 * drive.h
 *	  The loop that works off the agenda.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_DRIVE_H
#define JDG_FLOW_RUN_DRIVE_H

#include "flow/run/pass.h"

/*
 * Work off the agenda.  Without "ends", the ends of rows stay on it: their
 * followers and containers react later.
 */
extern void jdg_agenda_drive(JdgPass *pass, bool ends);

/*
 * The end of a pass: work off the agenda, end runs that are over, and write
 * all changes.
 */
extern void jdg_pass_finish(JdgPass *pass);

#endif							/* JDG_FLOW_RUN_DRIVE_H */
