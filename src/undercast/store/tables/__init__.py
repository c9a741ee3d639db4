"""Every table, a file per subject. Importing this package fills `Base.metadata`."""

from undercast.store.tables import apigatewayv2 as apigatewayv2
from undercast.store.tables import ec2_resources as ec2_resources
from undercast.store.tables import iam as iam
from undercast.store.tables import lambda_functions as lambda_functions
from undercast.store.tables import lambda_layers as lambda_layers
from undercast.store.tables import logs as logs
from undercast.store.tables import metrics as metrics
from undercast.store.tables import queue as queue
from undercast.store.tables import schemas as schemas
