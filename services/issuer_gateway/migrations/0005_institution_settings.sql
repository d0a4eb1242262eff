-- An institution's own settings stand in its record, and may change; slug and DID never do.
GRANT UPDATE (record) ON institution TO :"running_role";
