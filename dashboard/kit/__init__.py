"""What two pages use: layout, text, tables, charts, marks, jobs, controls, and the explorers made of them."""
