"""WHO: the planner, writer, critic, ranker and the one loop. They decide and never touch a socket."""
