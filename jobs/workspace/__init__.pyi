from .workspace import Dataset as Dataset
from .workspace import Workspace as Workspace
from .workspace import WorkspaceError as WorkspaceError
