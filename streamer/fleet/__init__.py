"""The pods that serve together: who they are, what they ask each other, who takes a viewer."""
