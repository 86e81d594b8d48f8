/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Owners of handlers for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_OWNED_H
#define JDG_HANDLER_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_handler_owned[];

#endif							/* JDG_HANDLER_OWNED_H */
