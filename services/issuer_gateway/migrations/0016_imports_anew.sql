-- A document that is imported anew, in place of what it became before, leads to the new credential.
GRANT UPDATE (credential_id) ON imported TO :"running_role";
