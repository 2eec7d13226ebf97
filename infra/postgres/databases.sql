-- One server, three databases: Opslayer, MLflow and Prefect each migrate their own schema.
CREATE DATABASE mlflow;
CREATE DATABASE prefect;
