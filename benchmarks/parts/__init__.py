"""What is measured. Each module has `steps(effort)`, for the progress, and `run(effort, step)`, giving a Section."""
