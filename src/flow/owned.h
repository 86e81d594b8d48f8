/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Owners of flows, drafts and runs for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_OWNED_H
#define JDG_FLOW_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_flow_owned[];

#endif							/* JDG_FLOW_OWNED_H */
