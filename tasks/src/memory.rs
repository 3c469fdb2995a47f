//! The readable reference store: jobs in this process's memory.
