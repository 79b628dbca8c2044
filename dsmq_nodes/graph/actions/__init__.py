"""Actions: goals that take time, report feedback, and can be cancelled.

An action is built out of services and topics, as in ROS 2. `goal.py` has the state of a goal.
`action_server.py` and `action_client.py` are the two ends. `goal_clients.py` detects clients that
have gone, so that their goals are cancelled.
"""
