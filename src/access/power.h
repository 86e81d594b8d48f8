/*-------------------------------------------------------------------------
 *
 * power.h
 *	  Roles that can do more than any operator of jadugar.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_POWER_H
#define JDG_ACCESS_POWER_H

/*
 * Returns the right that an operator must not gain by giving work to a role: an
 * attribute or a predefined role.  NULL: the role has none of them, not even
 * through membership in another role.
 */
extern const char *jdg_role_power(Oid role);

#endif							/* JDG_ACCESS_POWER_H */
