/*-------------------------------------------------------------------------
 *
 * drive.h
 *	  The loop that does what is on the agenda.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_DRIVE_H
#define JDG_FLOW_RUN_DRIVE_H

#include "flow/run/pass.h"

/*
 * Do what is on the agenda until nothing is left.  Without "ends" rows that
 * have ended are left for the next time: their followers and containers do
 * not know of them yet.
 */
extern void jdg_agenda_drive(JdgPass *pass, bool ends);

/*
 * The end of a pass: do all that is left, end runs that are over, and write
 * what has changed.
 */
extern void jdg_pass_finish(JdgPass *pass);

#endif							/* JDG_FLOW_RUN_DRIVE_H */
